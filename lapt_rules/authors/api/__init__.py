"""A language model behind an OpenAI-compatible server: `lapt_rules.authors.api.server.Api`."""
