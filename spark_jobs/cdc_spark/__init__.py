"""What runs in Spark: from Kafka's events to rows in the sinks."""
