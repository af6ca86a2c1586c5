"""Real daemons, guests, brokers and servers, private to a test run, for whoever tests against the real thing."""
