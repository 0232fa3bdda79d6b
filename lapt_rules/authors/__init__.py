"""Who writes principles: one protocol, whoever the author is."""
