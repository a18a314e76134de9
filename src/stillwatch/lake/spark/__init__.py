"""The log on Apache Spark: the same queries and the same sketches, on many machines."""
