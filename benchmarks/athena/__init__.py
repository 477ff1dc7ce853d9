"""What Athena is asked, beside Trino's own grammar."""
