"""What leaves the app: tables, masks and a report that stands alone."""
