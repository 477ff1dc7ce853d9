"""What starts jobs from home: on this machine's Spark, as EMR steps, on EMR Serverless."""
