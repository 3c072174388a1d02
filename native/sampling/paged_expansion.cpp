#include "sampling/paged_expansion.h"

#include "sampling/paged_lists.h"
#include "sampling/paged_parents.h"

namespace relhop {

template <class Table>
void follow_paged(const Expansion& expansion, uint32_t first, uint32_t last, PagedScratch& scratch, Chooser& chooser,
                  Connector<Table>& connector, bool edge_ids) {
  if (expansion.edges.kind == EdgeRows::Kind::lists)
    PagedListFollower<Table>(expansion, scratch, chooser, connector, edge_ids).run(first, last);
  else
    follow_paged_parents(expansion, first, last, scratch, connector);
}

template void follow_paged(const Expansion&, uint32_t, uint32_t, PagedScratch&, Chooser&, Connector<RowTable>&, bool);
template void follow_paged(const Expansion&, uint32_t, uint32_t, PagedScratch&, Chooser&,
                           Connector<HashTable<uint32_t>>&, bool);
template void follow_paged(const Expansion&, uint32_t, uint32_t, PagedScratch&, Chooser&,
                           Connector<HashTable<uint64_t>>&, bool);

}  // namespace relhop
