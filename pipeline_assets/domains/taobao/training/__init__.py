"""Training sets of Ali-CCP: every token as an index, users beside impressions and never joined."""
