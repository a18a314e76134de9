-- How many rows of the quarantine were to be settled though their events wait.
select count(*)
from $staged as staged
where staged.mended_at is not null
    and (staged.file, staged.line, staged.reason) in (select (file, line, reason) from call_waiting)
