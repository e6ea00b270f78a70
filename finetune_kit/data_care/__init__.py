"""Looking after rows: what is empty, repeated, broken or secret in them, found and counted, and kept unless asked."""

from finetune_kit.data_care.findings import Finding, Findings
from finetune_kit.data_care.inspection import inspect_rows
from finetune_kit.data_care.report import DataReport, data_report, rows_of

__all__ = ["DataReport", "Finding", "Findings", "data_report", "inspect_rows", "rows_of"]
