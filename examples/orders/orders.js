({
  key: e => e.subject,
  on: {
    OrderPlaced: (doc, e) => ({ status: "placed", customer: e.data.customer, total: e.data.total }),
    OrderShipped: doc => ({ ...doc, status: "shipped" }),
  },
})
