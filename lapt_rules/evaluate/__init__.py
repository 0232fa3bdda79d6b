"""What a candidate is worth: by a benchmark table, by training, by the weights of a supernet."""
