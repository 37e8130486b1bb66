"""Kibana's saved objects: generated from `kibana/src/`, checked, and asked for real answers."""
