-- How many staged rows say something that a later row of the same import says otherwise.
select count(*)
from every_row as told
join merged using ($keys)
left join import_domains on import_domains.token = told.$domain
where told._ordinal <> -1
    and not ($as_merged)
