"""What vendors deliver: listing the landing zone, and reading archives and text files."""
