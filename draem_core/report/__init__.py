"""What leaves the app: ``content`` (what there is to tell), tables, masks, and a page that stands alone."""

from draem_core.report.content import Report, ReportImage
from draem_core.report.html import html_report
from draem_core.report.masks import mask_png, write_mask_archive
from draem_core.report.tables import verdicts_csv, verdicts_json

__all__ = ["Report", "ReportImage", "html_report", "mask_png", "verdicts_csv", "verdicts_json", "write_mask_archive"]
