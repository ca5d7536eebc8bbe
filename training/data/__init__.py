"""Photographs from folders, archives, data sets, shards and films to batches."""
