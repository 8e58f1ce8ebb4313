"""A hospital's archive in and out: DIMSE and DICOMweb, behind one interface.

Start with `connect.open_pacs`, then `pull.pull`, `push.push` or `studies.fetch_study`.
"""
