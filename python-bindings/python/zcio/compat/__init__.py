"""Modules of the standard library, made of zcio, so that existing code need not be changed."""
