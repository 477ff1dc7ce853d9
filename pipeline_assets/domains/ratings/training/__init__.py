"""Training sets of ratings: who reviewed what when, with dense ids, splits and candidates."""
