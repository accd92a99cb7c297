-- Forget some of the receipts that are older than some days, and return how many these were; for cockpit/receipts_cli.py.
SELECT log.forget_receipts(now() - %(days)s::integer * interval '1 day', %(most)s::integer)
