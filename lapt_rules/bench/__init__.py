"""Measures the exact engine beside its peers: see README.md in this folder."""
