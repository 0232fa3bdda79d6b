"""The command `lapt`: one file a verb. Heavy imports stand inside the verbs that need them."""
