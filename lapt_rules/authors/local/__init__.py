"""A language model on this machine: `lapt_rules.authors.local.model.Local`."""
