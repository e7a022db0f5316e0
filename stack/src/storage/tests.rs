//! Lists of both kinds keep their order.

use super::List;

fn an_order_is_kept<L: List<u8>>() {
    let mut list = L::default();
    assert_eq!(list.remove_at(0), None);
    for (index, value) in [(0, 3), (0, 1), (1, 2), (9, 4)] {
        assert_eq!(list.insert_at(index, value), Ok(()));
    }
    assert_eq!(list[..], [1, 2, 3, 4]);
    assert_eq!(list.remove_at(4), None);
    assert_eq!(list.remove_at(1), Some(2));
    assert_eq!(list.remove_at(2), Some(4));
    assert_eq!(list.remove_at(0), Some(1));
    assert_eq!(list[..], [3]);
}

#[test]
fn a_fixed_list_keeps_its_order() {
    an_order_is_kept::<heapless::Vec<u8, 4>>();
}

#[cfg(feature = "alloc")]
#[test]
fn a_growable_list_keeps_its_order() {
    an_order_is_kept::<alloc::vec::Vec<u8>>();
}

#[test]
fn a_full_list_gives_back_what_it_has_no_room_for() {
    let mut list = heapless::Vec::<u8, 2>::default();
    assert_eq!(list.insert_at(0, 2), Ok(()));
    assert_eq!(list.insert_at(0, 1), Ok(()));
    assert_eq!(List::insert_at(&mut list, 0, 0), Err(0));
    assert_eq!(list[..], [1, 2]);
}
