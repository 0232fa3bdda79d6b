"""What a candidate is worth: benchmark tables now, training and supernets later."""
