"""Text to syntax tree and back: what a principle file says, before any space gives it meaning."""
