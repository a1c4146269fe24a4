({
  key: e => e.data.customer,
  on: {
    OrderPlaced: (doc, e) => ({ orders: (doc?.orders ?? 0) + 1, spent: (doc?.spent ?? 0) + e.data.total }),
  },
})
