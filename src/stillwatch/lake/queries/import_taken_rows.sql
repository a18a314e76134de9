-- Which rows of one file that is about to be added somebody else has added meanwhile.
select ours.file_row_number as row
from (select exchange_id, file_row_number from $ours) as ours
where exists (select 1 from $theirs as theirs where theirs.exchange_id = ours.exchange_id)
