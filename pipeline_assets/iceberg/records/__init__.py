"""The records of partitions: in which files they lie, and where earlier versions put them."""
