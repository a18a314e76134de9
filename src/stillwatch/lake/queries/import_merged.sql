-- Rows of several files in one order that does not depend on how they lay.
select * from $source order by $order
