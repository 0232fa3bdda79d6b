"""Everything decided is on record, and every decision can be explained."""
