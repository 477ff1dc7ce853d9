"""Projects of users: `init` makes a folder for one, `new` adds a domain that reads their files."""
