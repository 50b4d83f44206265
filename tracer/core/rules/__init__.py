"""The rules, grouped as the failure catalogue is; `catalogue.py` holds the order of causes."""
