"""Everything Spark: the job that a runner executes, the entry point it starts, and the runners."""
