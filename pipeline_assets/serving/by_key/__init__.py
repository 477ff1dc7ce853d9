"""Lookups of rows by a key: from the lake, or from DynamoDB where rows are published by key."""
