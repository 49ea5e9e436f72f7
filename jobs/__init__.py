"""Programs: everything that needs a SparkSession or a driver."""
