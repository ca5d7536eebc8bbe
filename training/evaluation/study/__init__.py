"""A comparison of presets on photographs: figures, intervals, tests, tables, drawings and a page that has them all."""
