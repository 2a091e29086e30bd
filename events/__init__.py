"""The shared language of Dal Segno: facts, commands, reports, ids, codec and subjects."""
