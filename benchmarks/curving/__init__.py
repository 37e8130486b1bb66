"""Made-up training runs, healthy and faulty, and the judging of them without Elasticsearch."""
