"""What training sets of several domains share: splits, dense ids, candidates, leak checks."""
