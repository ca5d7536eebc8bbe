"""Photographs and films in and out."""
