"""The only importer of the Elasticsearch client: bulk, search, templates."""
