"""Photographs and films in and out.

| question | file |
|---|---|
| which formats are there, and what do they hold? | formats.py |
| how is a photograph read, and written? | reader.py, writer.py, encoders.py |
| which files are meant by a path, a folder or a pattern? | files.py |
| how is a file written so that it is never half there? | atomic.py |
| how are pictures shown side by side? | sheets.py |
| how are the frames of a film read? | films.py |
"""
