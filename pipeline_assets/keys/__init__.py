"""Rows by key in DynamoDB: written version by version, and read as one version whole."""
