"""Training sets of listening: who listened to whom since when, with dense ids and candidates."""
