-- Show a domain in clear where enough accounts share it. Stored accounts may hold the domain in
-- clear already, new ones hold its token: both count.
with sharers as (
    select import_domains.token, import_domains.domain, count(*) as accounts
    from import_domains
    join merged
        on merged.email_domain = import_domains.token
        or merged.email_domain = import_domains.domain
    group by import_domains.token, import_domains.domain
)
update merged
set email_domain = sharers.domain
from sharers
where merged.email_domain = sharers.token
    and sharers.accounts >= $shared_by
