"""What is asked of Elasticsearch, and the tables that come back."""
