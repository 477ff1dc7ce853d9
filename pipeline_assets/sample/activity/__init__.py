"""Events of customers, as landing objects and in a stream."""
