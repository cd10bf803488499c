use strongroom_model::{Ocid, Timestamp};
use strongroom_wire::{PageToken, SortOrder};

use crate::ask::Listing;

/// One page of a list that is kept in memory, in the order and after the key that were asked.
pub(super) fn page_of<T>(
    mut rows: Vec<(String, T)>,
    listing: &Listing,
) -> (Vec<T>, Option<PageToken>) {
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    if listing.order == SortOrder::Desc {
        rows.reverse();
    }
    let after = listing.paging.after.as_deref();
    let beyond = |key: &str| match (after, listing.order) {
        (None, _) => true,
        (Some(after), SortOrder::Asc) => key > after,
        (Some(after), SortOrder::Desc) => key < after,
    };
    rows.retain(|(key, _)| beyond(key));
    let more = rows.len() > listing.paging.limit;
    rows.truncate(listing.paging.limit);
    let last = rows.last().filter(|_| more);
    let next = last.map(|(key, _)| PageToken::after(&listing.scope, key));
    (rows.into_iter().map(|(_, row)| row).collect(), next)
}

/// The key by which a resource is sorted; the identifier makes it unique.
pub(super) fn sort_key(listing: &Listing, created: Timestamp, name: &str, id: &Ocid) -> String {
    if listing.by_name {
        format!("{name} {id}")
    } else {
        format!("{:020} {id}", created.as_microsecond())
    }
}

#[cfg(test)]
mod tests {
    use strongroom_wire::Paging;

    use super::*;

    fn listing(order: SortOrder, limit: usize, after: Option<String>) -> Listing {
        let paging = Paging { limit, after };
        Listing { by_name: true, order, paging, scope: "s".to_owned() }
    }

    #[test]
    fn pages_follow_each_other_without_gap_or_repeat() {
        let rows = || ["b", "a", "d", "c"].map(|name| (name.to_owned(), name)).to_vec();
        let (first, next) = page_of(rows(), &listing(SortOrder::Desc, 3, None));
        assert_eq!(first, ["d", "c", "b"]);
        assert_eq!(next, Some(PageToken::after("s", "b")));
        let (rest, next) = page_of(rows(), &listing(SortOrder::Desc, 3, Some("b".to_owned())));
        assert_eq!((rest, next), (vec!["a"], None));
        let (all, next) = page_of(rows(), &listing(SortOrder::Asc, 4, None));
        assert_eq!((all, next), (vec!["a", "b", "c", "d"], None));
    }
}
