"""Fetches what pip cannot: the jars of Kafka, Connect, Debezium, Hadoop YARN and Spark's Kafka source."""
